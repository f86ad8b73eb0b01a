"""One verb a module: what `import tabcli` gives and what the command line calls. Nothing here prints.

results   what the verbs return
outgoing  a directory on its way to a URL
staging   URLs as paths of this machine, for the time of a call
urls      lets arguments of a verb be URLs
sources   what the verbs share: reading options, lengths of time, fingerprints
progress  progress for terminals and notebooks
begin     init, synth
prep      prep
card      card
train     train, lr_find, model_summary
forecast_files  the files that predict writes
forecast_shards  predict of more rows than memory holds
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
