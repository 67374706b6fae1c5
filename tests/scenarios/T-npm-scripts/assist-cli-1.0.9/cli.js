#!/usr/bin/env node
console.log('assist-cli 1.0.9')
