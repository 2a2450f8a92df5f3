import './style.css';

import { render } from 'preact';

import type { Status } from '#cluster';

const health: Status['health'] = 'ok';
render(<p class={health}>Token broker</p>, document.body);
