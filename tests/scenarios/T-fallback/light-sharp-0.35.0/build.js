require('fs').writeFileSync('library', 'built')
