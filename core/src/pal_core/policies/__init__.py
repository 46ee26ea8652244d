"""Training policies as pure logic: what to train on, when to stop, when to begin anew, what is held out."""
