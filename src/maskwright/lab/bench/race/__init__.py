"""`bench race`: who reaches a held-out loss first.

examples   the rival's blocks and the test of both, made once
curve      what a side has reached so far, on disk after each look
racer      the clock of a side: when to look, where its rate is, when it ends
ours, rival   the sides, each a process of its own
passing    when ours passes each of the rival's points
run        the whole of it: terms, the sides one after the other, the record
pictures   the table, the page and the picture
"""
