"""What ``--help`` shows of each command."""

CODES = """\
exit codes:
  0  done
  1  an error, told in one line on standard error: data, model file, sampling
  2  wrong usage of the command line
  3  diagnose: the verdict is "warn"
  4  fit, diagnose: the verdict is "fail"; fit has written the model all the same
"""

EXAMPLES = {
    "fit": """\
  skhlm fit data.csv --target y --groups region/country --groups industry/vertical -o model.skhlm
  skhlm fit data.parquet --target reaction --groups subject --family normal -o sleep.skhlm
  skhlm fit visits.csv --target visits --groups clinic --family poisson --exposure days -o v.skhlm
  skhlm fit orders.csv --target returned --groups shop --classify -o returned.skhlm
  skhlm fit data.csv --sep ';' --target y --groups shop --prior 'tau=Normal(0, 0.5)' -o m.skhlm""",
    "predict": """\
  skhlm predict model.skhlm new.csv -o predictions.csv
  skhlm predict model.skhlm new.csv --coverage 0.5 --kind mean""",
    "curve": """\
  skhlm curve model.skhlm --feature spend -o curves.csv
  skhlm curve model.skhlm rows.csv --feature spend --grid 0 100 21 --slope
  skhlm curve model.skhlm --feature spend --derive 'log_spend=log(spend)' --grid 1 100 21
  skhlm curve model.skhlm --feature spend --population""",
    "summary": """\
  skhlm summary model.skhlm
  skhlm summary model.skhlm --of group_effects --factor region/country -o effects.csv
  skhlm summary model.skhlm --of icc --data data.csv""",
    "diagnose": """\
  skhlm diagnose model.skhlm || echo "look at it" """,
    "report": """\
  skhlm report model.skhlm -o report.html
  skhlm report model.skhlm --data data.csv --target y -o report.html
  skhlm report model.skhlm --title "Spring campaigns" --features spend -o report.html""",
    "score": """\
  skhlm score model.skhlm later.csv --target y
  skhlm score shares.skhlm later.csv --target share --sample-weight trials -o scores.csv""",
    "compare": """\
  skhlm compare data.csv --target y --groups region/country
  skhlm compare data.csv --target y --groups region/country --split-by country --cv 10
  skhlm compare data.csv --target y --groups firm --split-by firm --group-means spend
  skhlm compare orders.csv --target returned --groups shop --classify -o scores.csv""",
    "allocate": """\
  skhlm allocate model.skhlm plan.csv --feature spend --by country --derive 'log_spend=log(spend)'
  skhlm allocate model.skhlm plan.csv --feature spend --total 5000 --high 900 -o plan.csv""",
    "completion": """\
  skhlm completion bash > ~/.local/share/bash-completion/completions/skhlm
  skhlm completion zsh > ~/.zfunc/_skhlm""",
    "demo": """\
  skhlm demo""",
}
