import { Matches } from 'class-validator';

import { MERCHANT_VAT_PATTERN } from '#token';

import { IfGiven } from '../http/validated.js';
import { VAT } from './state.dto.js';

export class TestBody {
  /** Absent: a token bound to no merchant. */
  @IfGiven('merchant_vat')
  @Matches(MERCHANT_VAT_PATTERN, VAT)
  merchant_vat?: string;
}
