"""Makes the model of the classifier from labelled news: on a developer's machine only, with what `services/` does not need to run."""
