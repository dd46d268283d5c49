"""What a fine-tuned model's answers are worth, in full: by class, by slice, by chance, and where it is worst.

`outcomes` says what each example adds to a measure, `resampling` how far chance moves it, `calibration` whether shares
can be believed, `slices` where it is better or worse. `classes`, `numbers` and `tags` are what is particular to a kind
of answer, and `judging` puts all of it together.
"""
