"""What the workbook of lesson 01 adds to the lesson."""
GIVEN = ("_advice", "_check")  # the wording of errors, which the checks read
HINTS = {
    "_three_loops": "a tensor of zeros; for each i, each j and each column k, one multiply-add",
    "matmul_loops": "compare shapes and types first, with _check; then the bare loops",
    "matmul_dot": "_check, two loops, and a dot product of a row of a and a column of b",
    "broadcast_shape": "walk both shapes from the right; where one has ended, its sizes are 1",
    "places": "the formula, with a column of row numbers and a row of column numbers",
    "matmul_broadcast": "_check, one loop over rows; stretch the row, multiply, add up columns",
    "einsum_loops": "a size for each letter, zeros for the output, then the rule for all values",
    "matmul_einsum": "_check, then one call of torch.einsum",
    "matmul": "_check, then the operator",
}
SLIPS = {
    "the three loops give what sums over Python lists give":
        "Is each product added to what is there, does k go over all columns of a, and do the "
        "zeros have the type of a?",
    "the first rung gives what the bare loops give, and refuses what does not fit":
        "Does the comparison come before the loops, and is their result returned?",
    "a dot product per element gives what the three loops give, and refuses the same":
        "Is it row i of a and column j of b, multiplied in pairs and added up (not averaged), and "
        "is what does not fit refused first?",
    "our broadcasting rules say the same as PyTorch about random shapes":
        "Are the shapes aligned at the right, may either of the two sizes be the 1, does a size of "
        "0 count, and is the answer a tuple?",
    "the stride formula finds every element of reshaped, cut, transposed and stretched views":
        "Which stride belongs to rows? And where does a cut-out view start in memory?",
    "a row at a time by broadcasting gives what the dot products give, and refuses the same":
        "Does the row stand as a column when it is stretched? Which dimension is added up? Is what "
        "does not fit refused first?",
    "torch.einsum does what the plain loops over all letters do":
        "Does a letter that stands twice have one value, is each product added to its cell, and is "
        "the output of the inputs' type?",
    "einsum gives what broadcasting gives, and refuses the same":
        "Which letter do both inputs share, in which order do the output's letters stand, and is "
        "what does not fit refused first?",
    "the operator gives what einsum gives, also for hundreds of images, and refuses the same":
        "Do the factors stand in the order a, b, and is what does not fit refused first?",
}
OBJECTIVES = [
    "Students can work out any number of a matrix product by hand from a row and a column, and say "
    "which shapes fit.",
    "Students can tell from two shapes alone whether and in which shape they broadcast, and name "
    "the sizes that are stretched.",
    "Students can turn a loop over numbers, columns or rows into one request to PyTorch, and check "
    "it against the slower form.",
    "Students can read an einsum rule aloud as loops, and write the rule of a product that is "
    "described in words.",
    "Students can say why three loops over tensors are slow and three loops over lists less so.",
]
MOMENTS = [
    "*Three loops*, before `b` gets a fourth row: let the room vote, an error or an answer? Most "
    "vote for an error. The answer that comes looks right, and so leads to the question who would "
    "ever have noticed; collect what a good error message should say before `_check` is shown.",
    "*Numbers that are stretched*, before `factors * torch.ones(3, 3)`: everybody writes the nine "
    "numbers on paper. Most multiply the rows, as was wanted. Put the shapes (3,) and (3, 3) below "
    "each other on the board, aligned at the right, and let somebody say what is stretched; then "
    "ask for the indexing that turns the factors into a column.",
]
COMMON = [
    ("each product is assigned to the cell instead of added to it, so only the last one is left",
     ("out[i, j] += a[i, k] * b[k, j]", "out[i, j] = a[i, k] * b[k, j]")),
    ("the zeros have PyTorch's default type instead of a's",
     ('one multiply-add at a time; inputs are trusted."\n'
      "    out = a.new_zeros(len(a), b.shape[1])\n",
      'one multiply-add at a time; inputs are trusted."\n'
      "    out = torch.zeros(len(a), b.shape[1])\n")),
    ("row j of b where its column j is meant",
     ("(a[i] * b[:, j]).sum()", "(a[i] * b[j]).sum()")),
    ("the row of a is not turned into a column before it is stretched",
     ("(a[i][:, None] * b)", "(a[i] * b)")),
    ("rows are added up where columns should be",
     ("* b).sum(dim=0)", "* b).sum(dim=1)")),
    ("the letters of the output stand in the wrong order",
     ('"ik,kj->ij"', '"ik,kj->ji"')),
]
