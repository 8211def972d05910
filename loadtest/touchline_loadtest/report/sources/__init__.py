"""The kinds of files that a run can be read from: `touchline_loadtest.report.sources.load`."""
