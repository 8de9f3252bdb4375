"""What is measured: metrics, their intervals, clusters, neighbours, the geometry of an embedding."""
