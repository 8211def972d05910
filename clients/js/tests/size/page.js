/** A page that uses the SDK, for its size: an application's bundler makes a file of this, and others of what is loaded later. */
import { connect } from "../../dist/index.js";

connect("/ws");
