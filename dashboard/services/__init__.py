"""When things happen. Services own the transaction: they ask rules, call Xero and write models.

`commit()` appears only here. No transaction stays open while Xero is called: commit before, read
again after. A write to a leased row names the lease's owner, so that a worker that lost its lease
writes nothing. Services never enqueue: they leave a row that says what is due, views and sweeps
ring. May import: rules, models, xero and the foundations. Read `xero_auth.py` first, then
`xero_files.py`.
"""
