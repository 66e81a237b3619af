// Holds an event stream of particle-api-js while the cloud is started anew. clients_test.go starts it, with these in its environment:
//
//   API    the package: api12 or api5
//   BASE   address of the cloud's API
//   TOKEN  a user's
//
// It prints {"open":true} when the stream is open, and then each event that it gets. It ends when one is called API/end.

const { API, BASE, TOKEN } = process.env;
const { default: Particle } = await import(API);
const particle = new Particle({ baseUrl: BASE });

const stream = await particle.getEventStream({ deviceId: 'mine', name: API, auth: TOKEN });
stream.on('event', ({ name, data }) => {
  console.log(JSON.stringify({ name, data }));
  if (name === `${API}/end`) process.exit(0);
});
console.log(JSON.stringify({ open: true }));
