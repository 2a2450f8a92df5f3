import './style.css';

import { render } from 'preact';

import { App } from './app.js';
import { startClock } from './data/clock.js';
import { readSession } from './data/session.js';
import { followHash } from './data/shown.js';
import { startTheme } from './data/theme.js';
import { followTitle } from './title.js';

startTheme();
startClock();
followHash();
followTitle();
render(<App />, document.body);
void readSession();
