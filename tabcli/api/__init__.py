"""One verb a module: what `import tabcli` gives and what the command line calls. Nothing here prints.

results   what the verbs return
sources   what the verbs share: reading options, lengths of time, fingerprints
progress  progress for terminals and notebooks
begin     init, synth
prep      prep
card      card
train     train, lr_find, model_summary
predict   predict, forecaster
report    report
compare   compare
explain   explain
embeddings  embeddings
backtest  backtest, tune
evaluate  evaluate
inspect   inspect
doctor    doctor
steps     each step of prep alone
"""
