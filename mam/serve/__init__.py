"""HTTP: rembg's and remove.bg's routes, for `mam serve` and the page, and limits on requests."""
