// The whole suite in one process: one seeded gateway and one browser for all.
import './serving.mjs';
import './logs.mjs';
import './inference.mjs';
import './pages.mjs';
import './people.mjs';
import './cost.mjs';
