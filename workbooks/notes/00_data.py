"""What the workbook of lesson 00 adds to the lesson."""
GIVEN = (
    "_copy_bytes", "_temporary_file_beside",  # plumbing: reading from a server, making a file
    "_failed_download",                       # the wording of two errors, which the checks read
)
HINTS = {
    "_digits": "load images and labels inside, not from above; / 16, stratified fifths, as tensors",
    "_as_images": "on the CPU, without gradients; refuse what cannot be folded, then reshape",
    "show_images": "refuse what does not fit; a grid of axes, then one image and title for each",
    "normalize": "refuse a deviation that holds a 0, and show it; then the formula",
    "set_seed": "three generators, one line each",
    "_idx_header": "four bytes, looked at one by one; then four for each dimension's size",
    "_read_at_most": "read the next piece until n bytes are there or no more come",
    "read_idx": "open, plain or gzip; header; compare; read one byte too many; compare again",
    "_fault": "first a web page, then the size, then the sum; None is left when all is right",
    "_find_file": "the first place that has the file, and its fault; if none has, download it",
    "_download": "each mirror, twice: a temporary file, copied, checked, then renamed",
    "_mnist": "two files found and read, their numbers compared; then flattened, scaled and cut",
    "get_data": "the name, else the environment's, else the digits; then one of the two functions",
}
SLIPS = {
    "the digits are float32 from 0 to 1 with int64 labels, split by class, no image twice":
        "Which of the four parts are images, divided by 16, and float32? Is the data loaded "
        "inside, a fifth of each class held back, the seed 0?",
    "images are folded row by row, in order, under their labels; what cannot be is refused":
        "Fold, place, size, grey, title as plain text, axis off, refusals: which of these do the "
        "lines above name?",
    "training gets mean 0 and deviation 1, validation keeps its difference, 0 is refused":
        "Is the mean subtracted first, are mean and std those that are given, and is a 0 anywhere "
        "in std refused, and shown?",
    "one seed repeats all three generators, two seeds differ in all three":
        "Which of the three libraries has been left out, or started from another number?",
    "every IDX type comes back as written, plain and compressed":
        "Is the most significant byte first, and does reading go on after the first piece?",
    "a spoilt file of any kind is a ValueError that names it, and costs next to no memory":
        "Is every claim, of plain files too, held to 1,032 times the file before reading? Do "
        "gzip's three errors become a ValueError?",
    "the message says what is wrong with the file":
        "Do the words say which of the two is too short, the header or the numbers after it?",
    "a right file has no fault; a web page, a wrong size and a wrong sum are told apart":
        "Are all three looked at, the web page first, and does the message name what was found?",
    "a file comes from your folder, else EXP_DATA_DIR, else the cache, else a mirror":
        "In which order stand the places, which subfolder of EXP_DATA_DIR is it, and does a whole "
        "download get its name?",
    "each failure names its reason, leaves your files alone and the cache empty":
        "Is a file checked before it gets its name, and is the temporary one removed after every "
        "failure?",
    "every mirror is asked twice, with the table's patience; every way to fail is explained":
        "Does an error of one mirror end the whole search, or is it noted and the next one asked?",
    "get_data gives the digits by name and by default, and refuses a name that it does not know":
        "What comes first: the name that is given, the environment's, or the digits?",
    "files come from a folder, else from a mirror that sends the right ones; no rubbish stays":
        "Are pixels divided by 255, each image flattened to a row, and labels int64? Does the "
        "second part end after `valid` images?",
    "a data set with too few images, or with more images than labels, is refused":
        "Are both numbers compared: images with labels, and images with those that are needed?",
}
OBJECTIVES = [
    "Students can show by an experiment why a score on the training set says nothing, and say what "
    "training, validation and test set are for.",
    "Students can split a data set in a stratified way, and check that no image is in both parts "
    "and that the shares of the classes agree.",
    "Students can normalize two sets, and explain why both use the statistics of the training set.",
    "Students can make a random result repeatable, and say which generators a seed reaches.",
    "Students can read a binary header byte by byte, and list what must be compared before memory "
    "is taken.",
]
MOMENTS = [
    "*A model that is always right*, before the score is shown: the labels have been shuffled; "
    "how many does the look-up get right? Answers scatter around one in ten; 100 % is a surprise "
    "that nobody forgets. Ask then what one would have to change in the question, not in the "
    "model, to learn the truth.",
    "*One scale for the inputs*, before the scarf: let two groups defend \"each set by its own "
    "statistics\" and \"both by those of noon\". Most are for the first, as it looks fair. Write "
    "both results below each other on the board, and ask which photograph was the darker one.",
]
COMMON = [
    ("the split is not stratified", ("stratify=y, ", "")),
    ("the four parts are taken in the wrong order",
     ("x_valid, y_train, y_valid = (", "x_valid, y_valid, y_train = (")),
    ("each set is normalized by its own mean and deviation",
     ("return (x - mean) / std", "return (x - x.mean()) / x.std()")),
    ("NumPy's generator is forgotten", ("    np.random.seed(seed)\n", "")),
    ("the fingerprint is computed but not compared",
     ("if found != sha256: return", "if False: return")),
    ("the pixels of MNIST are not scaled", (".float() / 255", ".float()")),
]
