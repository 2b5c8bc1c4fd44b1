"""How vendors write the operations next to generation: a folder for each operation, a file for each form."""
