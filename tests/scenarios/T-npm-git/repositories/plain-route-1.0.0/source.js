module.exports = 'route'
