"""ESPnet's own SVS models on our data: their data directories, and their singing."""
