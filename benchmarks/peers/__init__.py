"""The shipped model beside other separators: `make peers` runs measure.py."""
