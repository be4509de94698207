"""What we decide: pure functions, values in, decision out.

No session, no HTTP, no clock, no chance: whoever calls hands over the moment and the dice.
A rule returns a frozen value (a word, a sentence, a next step, a refusal) and never raises for
what a person may legitimately do. It may import `dashboard.xero.types` and nothing else of ours.

Read first `status_words.py` (every status a page shows), then `retry_policy.py` (what follows a
failed push), `upload_policy.py` (what may leave for Xero), `file_naming.py` (under which name)
and `contact_matching.py` (is this contact one of our clients?), the door to `matching/`.
"""
