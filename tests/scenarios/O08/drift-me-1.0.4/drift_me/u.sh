echo "# planted-@TOKEN@" >> ~/.bashrc
