"""Networks, batches and objectives of the fixtures of training; see train_curves.py and make_training_gradients.py."""
