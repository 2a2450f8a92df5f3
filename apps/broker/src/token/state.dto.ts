import { Transform } from 'class-transformer';
import { IsIn, IsInt, IsOptional, Matches, Max, Min } from 'class-validator';

import { KEY_STATES, type KeyState } from '#token';

import { IsClientName, IsMerchantVat } from '../http/validated.js';

const wholeNumber = ({ value }: { value: unknown }) =>
  typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value;

/** Which keys to show, and how many. */
export class ListQuery {
  @IsOptional()
  @IsClientName()
  client?: string;

  @IsOptional()
  @IsMerchantVat()
  merchant_vat?: string;

  @IsOptional()
  @IsIn(KEY_STATES)
  state?: KeyState;

  /** Items on a page, 1 to 1000. Default 100. */
  @Transform(wholeNumber)
  @IsInt()
  @Min(1)
  @Max(1_000)
  limit = 100;

  /** `next_cursor` of the page before. */
  @IsOptional()
  @Matches(/^[A-Za-z0-9_-]{1,4096}$/, { message: '$property must be the next_cursor of the page before' })
  cursor?: string;
}

/** Which key to explain. */
export class ExplainQuery {
  @IsClientName()
  client!: string;

  /** Absent: the token bound to no merchant. */
  @IsOptional()
  @IsMerchantVat()
  merchant_vat?: string;
}
