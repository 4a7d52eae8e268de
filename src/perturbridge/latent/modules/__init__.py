"""The networks: layers drawn from a generator, encoder, decoder, and the model that joins them."""
