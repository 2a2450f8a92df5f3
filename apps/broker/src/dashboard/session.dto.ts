import { IsString, Length } from 'class-validator';

export class SessionBody {
  /** A caller key, or a JWT. */
  @IsString()
  @Length(1, 8_192, { message: '$property must be a caller key or a JWT' })
  key!: string;
}
