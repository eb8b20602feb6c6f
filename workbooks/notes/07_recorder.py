"""What the workbook of lesson 07 adds to the lesson."""
GIVEN = (
    # Drawing plumbing: a figure, its axes, and the words where there is nothing to draw.
    "_new_axes",
    # How IPython shows a figure, replaces it and gives it an alternative text.
    "_Graph",
)
HINTS = {
    "SmoothenValue.__init__":
        "a ValueError that names a β outside of 0 ≤ β < 1; else keep beta, n = 0, average = 0.",
    "SmoothenValue.add_value":
        "fetch the number of a tensor; count it; the average moves by its share of the distance",
    "SmoothenValue.smooth": "the average over all the weight given so far; nan before the first",
    "AverageMetric.__init__":
        "self.func; self.stats, an AvgStats of it; self.counts_itself: all three methods? reset",
    "AverageMetric.name": "AvgStats has names too: at which position is the metric's?",
    "AverageMetric.reset": "the count, the AvgStats, and the metric itself if it counts",
    "AverageMetric.accumulate":
        "count the samples; ask the object (no graph) or give stats a SimpleNamespace",
    "AverageMetric.value": "nan without samples; what the object computes, a float; or avg_stats",
    "_Numbers.__init__": "keep beta; begin a record whose table has no columns",
    "_Numbers.reset":
        'three array("d"): lrs, moms, _losses; lists _waiting, names, values, ends; and _smooth',
    "_Numbers.add_batch": "the loss, detached, to those in _waiting; lr, mom; fold when 256 wait",
    "_Numbers._fold":
        "nothing waits: nothing to do; else _numbers of all that wait, one by one to both; empty",
    "_Numbers.add_epoch": "a row with the value of each column, or None; and the batches so far",
    "_text": "in this order: None, the time, an int; then: is it too small for four decimals?",
    "_Table.losses": "nothing may wait any more; then the array",
    "_Table.smooth_loss": "nothing may wait any more; then what _smooth says",
    "_Table.column": "the column's place among the names; that place of each row",
    "_Table.val_losses": "which column is it?",
    "_Table.metric_names": "without valid_loss none; else the names behind it, but for time",
    "_Table.metrics": "the places of the metrics among the names; those places of each row",
    "_Table.format_stats": "_text of each column's name and value",
    "_Table.to_csv": "a file beside it, path with .part: names, then rows, by csv; then replace",
    "_smoothed": "a new SmoothenValue; what it says after each loss",
    "_points": "leave out pairs without a second value; then all firsts, and all seconds",
    "Record.plot_losses": "_new_axes for “batch”; labels first; three lines in order; a legend",
    "Record.plot_lr": "one or two axes; each its numbers and its label; a list if there are two",
    "Record.plot_metrics":
        "axes for the metrics, if there are rows; one without any; label each; then its points",
    "Record.plot": "_new_axes, labels, xscale log; then one line, if there is a batch",
    "_PassMeans.begin_fit":
        "avg; own: an AverageMetric of loss, if ours, and of each of self.given; then as an epoch",
    "_PassMeans.begin_epoch": "now, by self.train_metrics; all of own begin anew",
    "_PassMeans.after_loss": "run.pred and run.yb to each of now",
    "_PassMeans.begin_validate": "train: the means so far; now: all; and they begin anew",
    "_PassMeans._means":
        "avg's stats of this name, if they have samples; then those of now that have samples",
    "_lr_and_momentum": "the last of param_groups: its lr; and has it betas, momentum or neither?",
    "Recorder.__init__": "super's first; self.given, a list; add_time and train_metrics",
    "Recorder.begin_fit":
        "super's first; names: avg's valid_stats has some, but for loss, then own; then reset",
    "Recorder.begin_epoch": "super's first; self.started, by time.perf_counter()",
    "Recorder.after_loss": "super's first; in training, add_batch",
    "Recorder.after_epoch":
        "whole: means of both passes, to run.stats; any batch: train_loss; then the row",
    "_where": "the table's three lines, in this order",
    "_Rows.write": "the first row sets widths; pad, join with two spaces, rstrip, print with flush",
    "_Bars._open": "a kind for each _where(), or None; update(0); table; write the names to it",
    "_Bars._start": "close what is open; without master that is all; else bar, done = 0, next_draw",
    "_Bars._move": "count; too early? else the next time, comment and wait_for, and update",
    "_Bars._end": "if there is one: an empty prefix, on_iter_end; then there is none",
    "ProgressCallback.__init__": "keep plot; nobody is hushed",
    "ProgressCallback.begin_fit":
        "graph is None; the recorder among run.cbs, or “a Recorder” is missing; then hush",
    "ProgressCallback.begin_epoch": "is there a table already? then the bar of training",
    "ProgressCallback.after_batch": "a file has no bar",
    "ProgressCallback.begin_validate": "another loader, another bar",
    "ProgressCallback.after_epoch":
        "no bar any more; a table, opened if need be; the last row's texts; master; the graph",
    "ProgressCallback.after_fit":
        "both bars closed, if there; the hushed speak; master, table and hushed as before",
}
SLIPS = {
    "the smoothed value is the weighted mean of all values, from the first on":
        "Is n counted before it is used, is the division by 1 − βⁿ, and is a tensor's number "
        "fetched? Is a β of 0 accepted and one of 1 refused?",
    "a metric is exact over ragged batches, however it counts, and keeps no graph":
        "Does the object get a detached prediction, does reset reach it, and is position 1 read "
        "from AvgStats?",
    "the record keeps every batch and every epoch, in few bytes and without graphs":
        "Is each waiting loss detached, folded once and removed? Do losses and smooth_loss fold "
        "first, and do new arrays begin in reset?",
    "rows read well, and metrics are what stands behind the loss":
        "Is the absolute value compared, 0 left alone and the time cut down to seconds? Does time "
        "belong to the metrics? What if there is no valid_loss?",
    "the file has every digit, and one that cannot be finished leaves the old one":
        "Are the values written and not their texts, names first? Is the old file there until the "
        "new one is complete?",
    "a plot without data has its labels, and says that there is nothing to draw yet":
        "Are the labels set before an empty plot returns, and is there one picture where there is "
        "no metric? Is the column asked for before it is drawn?",
    "each plot has its labels and its data":
        "Is each validation drawn at the end of its epoch, and one that is None left out? Is time "
        "no metric? Do the smoothed curves use the record's own β?",
    "the table has the smoothed training loss and exact means, whoever computes them":
        "Which means are avg's, which your own, and do all of them begin anew at validation? Is "
        "train_loss in the table smoothed, and exact in run.stats?",
    "rate and momentum are those of the batch; metrics are computed where they are wanted":
        "The last group; betas before momentum; nan for neither. Are the metrics of training left "
        "out unless they are asked for?",
    "broken epochs have no means, skipped passes no numbers":
        "Is `complete` asked, and is what saw no sample left out? Has an epoch without a training "
        "batch a smoothed loss? Does begin_fit call begin_epoch?",
    "other Runners, other orders and other callbacks find what they look for":
        "Has a Runner without `complete` whole epochs? Is run.stats added to where there is an "
        "AvgStatsCallback, and new where there is none?",
    "the place is recognised, and rows stand in columns":
        "Is the notebook asked for first? Do the widths come from the first row alone, eight at "
        "least?",
    "in a file there are the rows of the table and nothing else, whatever happens":
        "Is there no master bar in a file? Is the table None again after the fit, and opened late "
        "where the first epoch was kept from beginning?",
    "other lines are hushed for the time of the fit, and without a Recorder there is an error":
        "Does after_fit give back the lines of those that were not quiet before, and of no others? "
        "Is the Recorder looked for before anything is hushed?",
    "a terminal shows moving bars with the smoothed loss, and in the end the rows alone":
        "Is the prefix taken away before a bar is closed, also in after_fit? Is each batch "
        "counted, also those that are not drawn? Is a bar drawn when next_draw has come?",
    "a notebook shows bars, and in the end the table alone, with a graph if it is asked for":
        "Is the master bar closed in after_fit, and is the graph drawn only in a notebook that "
        "wants it?",
}
OBJECTIVES = [
    "Students can say why an exponential average that starts at 0 is wrong at first, and correct "
    "it.",
    "Students can tell metrics that are means from metrics that are not, and get both exact over "
    "batches of different sizes.",
    "Students can keep millions of numbers in few bytes, without graphs and without waiting for "
    "the device in every batch.",
    "Students can write a callback that leaves everything as it was, also after an interrupt, and "
    "show that it does.",
    "Students can follow one fit from the call to a row of the table, with the events and with a "
    "debugger.",
]
MOMENTS = [
    "In “A curve that one can read”, before the first cell runs: the first loss is 2.3, the "
    "average starts at 0 and moves a tenth of the way. Everybody writes down where it is after one "
    "batch. Most write something near 2.3. Run the cell, then ask by what one would have to divide "
    "after one batch, after two, and after n.",
    "In “Bars”, before the cell that sends a bar to a file: what will the file look like in an "
    "editor? Collect “one full bar”, “the last bar” and “all bars”. Run the cell and have somebody "
    "explain what the carriage return means to a terminal and what it means to a file.",
]
COMMON = [
    ("the average is not corrected for its start",
     ("self.average / (1 - self.beta ** self.n) if self.n else math.nan",
      "self.average if self.n else math.nan")),
    ("the record keeps the losses with their graphs",
     ("self._waiting.append(loss.detach() if torch.is_tensor(loss) else loss)",
      "self._waiting.append(loss)")),
    ("the small numbers are told by their value, not by its size, so that negative ones vanish",
     ('f"{value:.2e}" if 0 < abs(value) < 0.001 else f"{value:.4f}"',
      'f"{value:.2e}" if 0 < value < 0.001 else f"{value:.4f}"')),
    ("the means of training are not kept when validation begins",
     ('self.train, self.now = self._means("train_stats"), self.own',
      "self.train, self.now = {}, self.own")),
    ("run.stats of a broken epoch gets the means of a validation that was cut short",
     ('if getattr(run, "complete", True):', "if True:")),
    ("AvgStatsCallback stays quiet after the fit",
     ("for cb in self.hushed: cb.quiet = False", "pass")),
]
