"""One thread: the networks of these tests are small, and threads that wait cost more."""

import torch

torch.set_num_threads(1)
