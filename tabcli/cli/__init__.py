"""The command line: parse, one call into the API, render. The only package that knows typer and rich.

Results go to stdout (`--json` for machines), everything else to stderr.

    terminal         how lines look: colours, columns, bars
    boundary         every exception → one message and an exit code
    options          options that several commands share
    render           results → the lines that prep, train, … print
    render_forecast  what predict prints
    render_scores    what evaluate prints
    render_explain   what explain prints
    render_maps      what embeddings prints
    begin            synth, init
    main_job         prep, train, lr-find, predict: the commands; what they print is in render
    look             report
    why              explain
    learned          embeddings
    card             card
    judge            backtest, tune, evaluate, inspect
    steps            add-datepart, categorify, fill-missing, normalize
    configs          config check, show, schema
    app              every command by its name
"""
