"""What the pages promise, one short title for each fact, and which command shows it.

A test that shows a fact carries `@pytest.mark.fact(number)`; `tests/support/facts.py` counts them.
What only an eye can judge has no number here.
"""

from __future__ import annotations

IN_TESTS = {
    # Live updates
    1: "ticks survive five polls of the documents list",
    2: "focus stays through five polls and no poll moves it",
    4: "the final fragment asks no more",
    5: "an unchanged panel is answered 204 and mutates nothing",
    7: "pausing stops all polls, here and in a new tab",
    8: "a paused page has no trigger",
    11: "no poll inserts, removes or reorders a row",
    12: "after three failed polls the page says so and asks less often",
    13: "offline is said, and back online it recovers",
    14: "open details and marked text survive a poll",
    15: "the live region is the same element from load to end",
    16: "a long import is announced eight times at most",
    17: "two tabs on one run show the same counts",
    # Selection and preview
    18: "Shift+Space ticks a range",
    19: "Shift+click ticks a range and marks no text",
    20: "ticks survive pages, filters, orders, reloads and signing out",
    21: "the count names hidden ticks",
    22: "all that match, less one, is what the review says",
    23: "the header box names the page's rows and may be half ticked",
    24: "a tick that cannot be saved goes back and says so",
    25: "nothing doubtful is linked undecided",
    26: "every match has a reason that names a field, and no percentage",
    27: "a taken client is refused in a sentence",
    28: "two rows on one client are a clash at once",
    29: "skipped is not offered again, unticked is",
    30: "linked rows have no box",
    31: "the import button carries the number and starts one run",
    33: "groups become tags marked as from Xero",
    # Address and history
    34: "the address holds every filter, tab, order and page",
    35: "Back restores filters, controls and results",
    36: "filtering starts at page 1; past the end is the last page",
    37: "the title holds page and screen",
    38: "a fragment opened directly leads to its page",
    39: "htmx leaves nothing in storage",
    40: "the page of a finished run stays",
    # Connection
    41: "a dead token is told everywhere within one check",
    42: "details that cannot be read are never called not connected",
    43: "each way back from Xero has its own sentence",
    44: "the organisation's name is asked to be confirmed",
    45: "connecting works without script and under the policy",
    46: "the disconnect page has true numbers and GET does nothing",
    47: "disconnecting succeeds without Xero and says what to do there",
    48: "staff read whom to ask",
    49: "a wait that Xero asked for is told, kept, and over by itself",
    50: "granted and missing permissions are listed in words",
    # Documents
    52: "uploaded is never shown as filed",
    53: "a retry after the upload makes no second file",
    54: "after a good retry the old error is only in the timeline",
    55: "the attempt and the next time are the database's",
    56: "documents on hold go out by themselves after reconnecting",
    57: "a bulk retry says how many were left and why",
    # Accessibility
    60: "320 px: the page never scrolls sideways, tables do in a named region",
    61: "200 % text and 400 % zoom hide nothing",
    62: "tab order is reading order, with a visible ring on every stop",
    63: "the error summary has the focus and leads to the fields",
    64: "nothing is disabled while busy; the button keeps the focus",
    65: "every target is 24 by 24 px",
    66: "reduced motion: nothing moves",
    67: "forced colours: status, selection and focus are still seen",
    69: "no single key does anything",
    # Without script, security, text
    71: "the whole journey without JavaScript",
    72: "no policy reports and nothing inline",
    73: "a session's end is one banner, and an action leads back",
    74: "a post without its token is refused in words",
    75: "a tick is saved after two hours",
    76: "a name made of markup is text everywhere",
    77: "every time is UTC for machines and the practice's for people",
    78: "words fit 0, 1 and 2",
    79: "text a third longer is neither cut nor overlapping",
    81: "no code, id or JSON outside technical details",
    82: "long, right-to-left and emoji names do not break rows",
}
IN_GALLERY = {
    3: "after the final state nothing asks for 30 s",
    6: "a hidden tab does not poll, and asks at once when it is seen again",
    9: "nothing shifts during 60 s of polling",
    10: "the scroll position stays during 60 s of polling",
    58: "axe finds nothing in any state and look",
    59: "Lighthouse gives accessibility full marks",
    84: "every state of every screen can be opened",
}
IN_BENCH = {32: "ten thousand contacts: first page in 500 ms, light, at most 100 rows"}
