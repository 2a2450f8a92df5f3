import { Matches } from 'class-validator';

import { IfGiven } from '../http/validated.js';

export class TestBody {
  /** Absent: a token bound to no merchant. */
  @IfGiven('merchant_vat')
  @Matches(/^(DK|FI)\d{8}$/, { message: '$property must be DK or FI and 8 digits' })
  merchant_vat?: string;
}
