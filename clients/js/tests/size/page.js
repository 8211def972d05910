/** A page that uses the SDK, for its size: an application's bundler makes a file of this, and others for the parts that are loaded later. */
import { connect } from "../../dist/index.js";

connect("/ws");
