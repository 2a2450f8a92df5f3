import type { Column } from '../model/table-view.js';

export const COLUMN_WORDS: Readonly<Record<Column, string>> = {
  client: 'Client',
  merchant: 'Merchant',
  environment: 'Environment',
  state: 'State',
  life: 'Life',
  refreshed: 'Last refresh',
  error: 'Last error',
};
