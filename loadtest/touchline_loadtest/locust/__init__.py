"""Load tests with Locust: users that behave as people do, and the shapes of their arrival."""
