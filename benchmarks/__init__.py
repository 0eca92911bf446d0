"""Side-by-side measurements of the book's software and its peers; `make bench` runs them all."""
