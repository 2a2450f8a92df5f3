import { IfGiven, IsMerchantVat } from '../http/validated.js';

export class TestBody {
  /** Absent: a token bound to no merchant. */
  @IfGiven('merchant_vat')
  @IsMerchantVat()
  merchant_vat?: string;
}
