"""The way of one request, hop by hop, from the objects and as it was seen."""
