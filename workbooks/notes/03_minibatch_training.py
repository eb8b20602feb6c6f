"""What the workbook of lesson 03 adds to the lesson."""
GIVEN = ("_check_classes",)  # its substance is the wording of an error; the blanks call it
HINTS = {
    "log_softmax": "the largest logit of each row first; then the second form, with it taken off",
    "nll": "_check_classes, then one entry per row, as in the toy above; minus their mean",
    "accuracy": "_check_classes, then the column of each row's largest logit; how many agree?",
    "iterate": "the text's five things in order, loss_func as set above; then the loss's item()",
    "Optimizer.__init__": "a list self.params, self.lr; ValueErrors “one tensor”, “no parameters”",
    "Optimizer.step": "the step from iterate, for each of self.params that has a gradient",
    "Optimizer.zero_grad": "no parameter keeps a gradient: None, not zeros",
    "Pairs.__init__": "keep both sequences",
    "Pairs.__len__": "as many as there are things in one of them",
    "Pairs.__getitem__": "what stands in place i of each",
    "Sampler.__init__": "keep the three",
    "Sampler.__iter__": "an order, random or plain, made anew here; cut it up (a tensor can split)",
    "collate": "part the pairs into firsts and seconds, and stack each",
    "Loader.__init__": "keep both",
    "Loader.__iter__": "for each batch of indices: the samples one by one, collated",
    "Dataset.__init__": "keep them as self.x and self.y; a ValueError that names both lengths",
    "Dataset.__len__": "as in Pairs",
    "Dataset.__getitem__": "as in Pairs",
    "Dataset.__getitems__": "indices as a tensor on x's device; the rows of x and of y, as a tuple",
    "_collate": "how do you tell a finished batch from a list of samples?",
    "get_dls": "two DataLoaders with _collate, unless the caller names another collate_fn",
    "_validate": "under no_grad: sums over samples, as numbers; ValueError “no batch” if empty",
    "fit": "refuse epochs < 1; per epoch: train mode, the batches, eval mode, _validate, print",
}
SLIPS = {
    "log_softmax equals PyTorch's on every size of logit, and its probabilities sum to 1":
        "Is the maximum one per row, with keepdim, and taken off both in the sum and outside it?",
    "nll picks one entry per row, and with log_softmax it equals PyTorch's cross_entropy":
        "Do row and column numbers go pair by pair, on one device? Is the sign there?",
    "accuracy counts the rows whose largest logit is the right class's":
        "Along which dimension do you look for the largest, and is the count divided by the rows?",
    "an iteration steps as torch.optim.SGD does, with the reset and without":
        "Which of the five is missing, or misplaced? In place, against the gradient, not along it?",
    "five steps of Optimizer equal five of torch.optim.SGD, and unused parameters stay":
        "Is each changed in place, under no_grad, against its gradient, if it has one?",
    "an Optimizer reads a generator once, forgets gradients, refuses a tensor and an empty list":
        "Is self.params a list? Is each gradient None afterwards? Are both errors ValueErrors?",
    "Pairs counts its pairs, and a pair is what stands in one place of both":
        "Does place i of the first sequence come with place i of the second, in this order?",
    "a Sampler names every index once, in batches, in a new order in every pass if asked":
        "Is the order made in __iter__, so that each pass has its own? Is the last batch there, "
        "and each batch a tensor?",
    "collate stacks images and labels apart; a Loader gives the batches of PyTorch's":
        "Do images go with images and labels with labels, taken one by one in the sampler's order?",
    "every sample comes once with its own target, shuffled in training only, in full batches":
        "Which loader is shuffled, and which has larger batches? One set of indices for x and y?",
    "a Dataset gives pairs and whole batches, refuses unequal lengths; other datasets load too":
        "Does __getitems__ give one batch, as a tuple? Are lengths compared? Do the caller's "
        "arguments win? Has the collate function a name, for pickling?",
    "fit trains like the loop written out, switches modes, and returns exact averages":
        "Are the five lines in order, for every batch? Does a batch count by its samples?",
    "fit validates after every epoch, in its own mode and without gradients, and says so":
        "Are train(), eval() and validation inside the loop over epochs? And no_grad? "
        "Are fewer epochs than one and no batches refused?",
}
OBJECTIVES = [
    "Students can say why the logarithm of a softmax overflows, and write a form that does not.",
    "Students can write the five lines of a training step and say what goes wrong without each.",
    "Students can build a dataset, a sampler and a loader, and test that pairs stay together.",
    "Students can average a loss or an accuracy exactly when the last batch is smaller.",
    "Students can write fit, with both modes of the model in place, and train a classifier.",
]
MOMENTS = [
    "In “A loss for classes”, before the first cell runs: an image is a 1 or a 9, one as likely as "
    "the other; everybody writes down the number with the smallest mean squared error. Expect 1 or "
    "9 from those who think of the image and 5 from those who think of the formula. Run the cell, "
    "then ask what a model that answers 5 has understood.",
    "In “The loop, on one batch”, before the picture of the forgotten reset: a show of hands for "
    "“slower”, “the same” and “worse”. Most choose “slower”. Show the picture, and have somebody "
    "explain the first few iterations, where the line without the reset is the lower one.",
]
COMMON = [
    ("nll indexes a whole block: all rows for every target",
     ("-log_probs[torch.arange(len(target), device=target.device), target].mean()",
      "-log_probs[:, target].mean()")),
    ("the optimizer keeps the generator that it was given, which is empty after one pass",
     ("list(params), lr", "params, lr")),
    ("the loaders get PyTorch's own collate function, which stacks a finished batch once more",
     ('{"collate_fn": _collate, **kwargs}', "dict(kwargs)")),
    ("validation adds up the losses of the batches, whatever their size",
     ("loss_sum += loss_func(pred, yb).item() * len(xb)",
      "loss_sum += loss_func(pred, yb).item()")),
    ("the model is put into training mode once, before the loop over epochs",
     ("    for epoch in range(epochs):\n        model.train()\n",
      "    model.train()\n    for epoch in range(epochs):\n")),
    ("the gradients are not reset after the step",
     ("            loss.backward()\n            opt.step()\n            opt.zero_grad()\n",
      "            loss.backward()\n            opt.step()\n")),
]
