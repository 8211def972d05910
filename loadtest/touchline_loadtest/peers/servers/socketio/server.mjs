// A Socket.IO server with the in-memory adapter. Events arrive by POST /publish as a JSON array of [room, value].
// Usage: node server.mjs PORT [recovery [SECONDS]]
import { createServer } from "node:http";
import { Server } from "socket.io";

const [port, recovery, seconds] = process.argv.slice(2);

const http = createServer((request, response) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    for (const [room, value] of JSON.parse(Buffer.concat(chunks))) io.to(room).emit("event", room, value);
    response.writeHead(200, { "Content-Length": 0 }).end();
  });
});

const io = new Server(http, {
  transports: ["websocket"],
  perMessageDeflate: false,
  httpCompression: false,
  serveClient: false,
  pingInterval: 600_000,
  ...(recovery ? { connectionStateRecovery: seconds ? { maxDisconnectionDuration: 1000 * seconds } : {} } : {}),
});

// Memory that Socket.IO's documents advise to release: the request of each handshake.
io.engine.on("connection", (connection) => {
  connection.request = null;
});

io.on("connection", (socket) => {
  socket.on("join", (rooms, joined) => {
    socket.join(rooms);
    joined();
  });
});

http.listen({ port: Number(port), host: "127.0.0.1", backlog: 4096 });
