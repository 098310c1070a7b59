"""What is found out beside a measurement: the route, a capture, which MAC answers."""
