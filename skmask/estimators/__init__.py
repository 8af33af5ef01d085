"""The estimators, and how a fit is put together: scikit-learn only."""
