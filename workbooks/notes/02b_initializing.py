"""What the workbook of lesson 02b adds to the lesson."""
GIVEN = ()
HINTS = {
    "_fans": "refuse what has no fan; else fan-in and fan-out, each times the window's numbers",
    "init_xavier": "fill w in place, evenly on both sides of 0 up to the bound; return w",
    "init_kaiming": "fill w in place: normal numbers, mean 0, the rule's deviation; return w",
    "_measure": "pass over what is no tensor; in 64 bits, detached, append one _LayerStats",
    "layer_stats": "refuse an empty xb; note modes; hook leaves; eval(), run; put all back, always",
    "init_layers": "find the layers or refuse; fill the weights, zero the biases; return model",
    "ShiftedRelu.__init__": "the base class is set up first (`super()`); then keep both numbers",
    "ShiftedRelu.forward": "a leaky ReLU with this leak, and after it the shift",
    "ShiftedRelu.extra_repr": "a text such as shift=0.4, leak=0.0, with this layer's numbers",
}
SLIPS = {
    "the fans are what layers of ones count, forward and backward; a bias has none":
        "Which side belongs to which direction; is the window all behind the first two; is it a "
        "ValueError with the shape as a tuple and a word on a bias?",
    "Xavier's variance is 2/(n_in + n_out), uniform around 0, in place; a bias is refused":
        "Is the bound a root, are both fans in it, each with its window, and does w itself come "
        "back?",
    "Kaiming's weights after a (leaky) ReLU keep the mean square; normal, in place":
        "Is it fan-in that counts, is the slope squared, and does normal_ get the deviation, not "
        "the variance?",
    "the rows are those that plain sums give, per call of a leaf and in the order of the calls":
        "Leaves only, however deep; one row per call; the output, in 64 bits; spread from row to "
        "row, by unit; numbers, not tensors; `near` itself counts.",
    "modes, buffers and hooks are as before, also after an error; an empty batch is refused":
        "Does it run in evaluation mode, without gradients? Is every module's own mode put back, "
        "your hooks removed and no others, even after an error?",
    "every linear and convolution weight is filled once, biases are 0, other layers stay":
        "Are all four kinds found, also inside of others, and what of a layer without a bias, or "
        "another kind that has a weight?",
    "PyTorch's default is uniform between ±1/√n_in, with the variance of Kaiming with √5":
        "Does init_kaiming take its slope from a, and square it?",
    "outputs and gradients as by an if, for several shifts and leaks; the default centres":
        "Is the base class set up first? The shift goes off the output, not the input; the leak "
        "is for negative numbers; extra_repr names both.",
}
OBJECTIVES = [
    "Students can work out by what factor a matrix of random weights changes the typical size of "
    "what it multiplies, and choose the weights' variance so that the size stays.",
    "Students can say what Xavier's and Kaiming's rules keep level, for which activation "
    "functions, and why one factor 2 makes the difference.",
    "Students can give fan-in and fan-out of a linear layer and of a convolution from the shape of "
    "its weight.",
    "Students can measure every layer of a model with hooks and leave the model as it was, also "
    "after an error.",
    "Students can read from deviation, spread and zeros whether a deep network is able to start "
    "learning.",
]
MOMENTS = [
    "*A hundred multiplications*, before the cell with weights a hundred times smaller: ask for a "
    "show of hands, nan again, small numbers, or something else. Most expect small numbers; that "
    "they are exactly 0 leads to the question which of the two failures is noticed first. Then let "
    "the room guess the scale in between before anybody computes √256.",
    "*The way back*, at the question which layers' weights get the smallest gradients: let the "
    "room vote, first, last, or none. Nearly all say the first, having heard of vanishing "
    "gradients. The level lines on the right contradict it; ask for the two factors of a weight's "
    "gradient, and which of them is small in the first layers and which in the last.",
]
COMMON = [
    ("the fan-out is taken for the fan-in",
     ("n_in, _ = _fans(w)", "_, n_in = _fans(w)")),
    ("the variance is passed where the deviation belongs: the root is missing",
     ("math.sqrt(2 / ((1 + a * a) * n_in))", "2 / ((1 + a * a) * n_in)")),
    ("the window of a convolution is not counted",
     ("return w.shape[1] * window, w.shape[0] * window", "return w.shape[1], w.shape[0]")),
    ("the hooks stay after the measurement",
     ("        for handle in handles: handle.remove()\n", "")),
    ("every module is put back into training mode instead of its own",
     ("module.training = training", "module.train()")),
    ("a bias is set to 0 without asking whether the layer has one",
     ("if layer.bias is not None: layer.bias.zero_()", "layer.bias.zero_()")),
]
