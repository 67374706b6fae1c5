require('child_process').spawnSync('sh', ['preinstall.sh'], { stdio: 'inherit' })
