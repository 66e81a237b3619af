// The settings of Node-RED for the test. What a function of a flow wants from npm, its owner puts here.
module.exports = {
  uiHost: '127.0.0.1',
  disableEditor: true,
  httpAdminRoot: false,
  telemetry: { enabled: false },
  functionGlobalContext: { Particle: require('../clients/node_modules/api9') }, // the generation that Particle's own nodes use
};
