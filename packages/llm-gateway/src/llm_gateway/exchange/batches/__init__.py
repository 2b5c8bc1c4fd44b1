"""Files and batches: their endpoints, whose they are, and the accounting of batches, which end long after their
request."""
