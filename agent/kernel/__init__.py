"""What is asked of the kernel: batches of datagrams, sockets that stamp, clocks."""
