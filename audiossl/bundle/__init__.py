"""A trained encoder as one safetensors file: weights, front end, normalisation, and how it was made."""
