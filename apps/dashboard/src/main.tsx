import './style.css';

import { render } from 'preact';

import { App } from './app.js';
import { startClock } from './model/clock.js';
import { readSession } from './model/session.js';
import { followHash } from './model/shown.js';
import { startTheme } from './model/theme.js';
import { followTitle } from './title.js';

startTheme();
startClock();
followHash();
followTitle();
render(<App />, document.body);
void readSession();
