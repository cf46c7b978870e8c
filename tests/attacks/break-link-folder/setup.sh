ln -s @REPO@/tests/toy/solutions more
