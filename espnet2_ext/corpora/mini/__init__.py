"""Parts of the embedded corpus: words, songs, singers, performances and their synthesis."""
